// Node's fetch, with some requests at a time over the connections that it keeps.
const base = process.argv[2];

async function expect(status, path, options) {
  const response = await fetch(base + path, options);
  const body = await response.text();
  if (response.status !== status) throw new Error(`${path} was answered ${response.status} ${body}`);
  return response;
}

async function client(number) {
  for (let turn = 0; turn < 50; turn++) {
    const body = JSON.stringify({ partnerId: `node-${number}-${turn}`, seats: 1 });
    const headers = { "content-type": "application/json" };
    const made = await expect(201, "/reservations", { method: "POST", headers, body });
    const location = made.headers.get("location");
    await expect(200, location);
    await expect(200, "/reservations", { method: "HEAD" });
    await expect(204, location, { method: "DELETE" });
  }
}

await Promise.all([0, 1, 2, 3, 4].map(client));
console.log("1000 requests");
