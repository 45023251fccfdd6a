package payments;

import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.Metadata;
import java.util.regex.Pattern;

/** Which API key goes where. */
final class ApiKeys {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Pattern KEY = Pattern.compile("[!-~]+");

    private ApiKeys() {}

    /**
     * {@return the headers of every call: the API key, if there is one, as a bearer token (RFC 6750)}
     *
     * @throws IllegalArgumentException the key would be sent in the clear to another machine, or is no printable ASCII
     *     without spaces. The key is not in the message.
     */
    static Metadata headers(String target, ChannelCredentials credentials, String apiKey) {
        Metadata headers = new Metadata();
        if (apiKey == null) {
            return headers;
        }
        if (!KEY.matcher(apiKey).matches()) {
            throw new IllegalArgumentException("apiKey must be printable ASCII characters without spaces, 1 at least");
        }
        boolean isClear = credentials.withoutBearerTokens() instanceof InsecureChannelCredentials;
        if (isClear && !Addresses.isLoopback(target)) {
            throw new IllegalArgumentException(
                    "apiKey needs credentials (TLS), unless the target is this machine's loopback address");
        }
        headers.put(AUTHORIZATION, "Bearer " + apiKey);
        return headers;
    }
}
