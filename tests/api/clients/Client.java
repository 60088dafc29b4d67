import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;

/** The JDK's client as it is by default: it offers HTTP/2 with its requests. */
public class Client {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    public static void main(String[] arguments) throws Exception {
        String base = arguments[0];
        for (int turn = 0; turn < 250; turn++) {
            String body = "{\"partnerId\":\"java-" + turn + "\",\"seats\":1}";
            HttpRequest post = HttpRequest.newBuilder(URI.create(base + "/reservations"))
                .header("Content-Type", "application/json").POST(BodyPublishers.ofString(body)).build();
            String location = expect(201, post).headers().firstValue("location").orElseThrow();
            expect(200, HttpRequest.newBuilder(URI.create(base + location)).build());
            expect(200, HttpRequest.newBuilder(URI.create(base + "/reservations"))
                .method("HEAD", BodyPublishers.noBody()).build());
            expect(204, HttpRequest.newBuilder(URI.create(base + location)).DELETE().build());
        }
        System.out.println("1000 requests");
    }

    private static HttpResponse<String> expect(int status, HttpRequest request) throws Exception {
        HttpResponse<String> response = CLIENT.send(request, BodyHandlers.ofString());
        if (response.statusCode() != status) {
            throw new IllegalStateException(request + " was answered " + response + " " + response.body());
        }
        return response;
    }
}
