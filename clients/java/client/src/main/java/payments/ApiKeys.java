package payments;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import java.util.regex.Pattern;

/** Checks the API key and puts it into the headers. */
final class ApiKeys {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Pattern KEY = Pattern.compile("[!-~]+");

    private ApiKeys() {}

    /**
     * {@return the headers to send with every call: the API key as a bearer token (RFC 6750), or nothing}
     *
     * @throws IllegalArgumentException if the key would be sent unencrypted to another machine, or is not printable
     *     ASCII without spaces. The message does not contain the key.
     */
    static Metadata headers(String target, ChannelCredentials credentials, String apiKey) {
        Metadata headers = new Metadata();
        if (apiKey == null) {
            return headers;
        }
        if (!KEY.matcher(apiKey).matches()) {
            throw new IllegalArgumentException("apiKey must be 1 or more printable ASCII characters without spaces");
        }
        boolean isInsecure = credentials.withoutBearerTokens() instanceof InsecureChannelCredentials;
        if (isInsecure && !Addresses.isLoopback(target)) {
            throw new IllegalArgumentException(
                    "apiKey needs credentials (TLS), unless the target is a loopback address");
        }
        headers.put(AUTHORIZATION, "Bearer " + apiKey);
        return headers;
    }
}
