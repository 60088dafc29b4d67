"""Python's http.client, which keeps one connection as long as the server does."""

import http.client
import json
import sys
from urllib.parse import urlsplit

connection = http.client.HTTPConnection(urlsplit(sys.argv[1]).netloc, timeout=30)
connection.connect()
socket = connection.sock


def expect(status, method, path, body=None):
    headers = {"Content-Type": "application/json"} if body else {}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.status == status, f"{method} {path} was answered {response.status} {text}"
    assert connection.sock is socket, f"the connection was closed after {method} {path}"
    return response


for turn in range(250):
    body = json.dumps({"partnerId": f"python-{turn}", "seats": 1})
    location = expect(201, "POST", "/reservations", body).headers["Location"]
    expect(200, "GET", location)
    expect(200, "HEAD", "/reservations")
    expect(204, "DELETE", location)
print("1000 requests")
