package payments.testing;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;

/**
 * The kinds of page tokens and resume tokens. A token has a position in a list, and a checksum that detects an altered
 * token, or one that belongs to another request.
 */
enum TokenKind {
    PAYMENTS("must be an unaltered next_page_token for the same filter and order_by"),
    REFUNDS("must be an unaltered next_page_token, or next_refunds_page_token, for the same payment_id"),
    EVENTS("must be an unaltered next_page_token for the same payment_id"),
    RESUME("must be an unaltered resume_token from a WatchPayments response");

    private static final int CHECKSUM_BYTES = 10;

    private final String description;

    TokenKind(String description) {
        this.description = description;
    }

    /** {@return the token of a position in the list that {@code request} describes} */
    String encode(long position, Object request) {
        byte[] token = ByteBuffer.allocate(Long.BYTES + CHECKSUM_BYTES)
                .putLong(position)
                .put(checksum(position + " " + name() + " " + request))
                .array();
        return Base64.getUrlEncoder().encodeToString(token);
    }

    /**
     * {@return the position of a token}
     *
     * @throws InvalidValue if it is not a token of the list that {@code request} describes
     */
    long decode(String token, Object request) {
        byte[] bytes;
        try {
            bytes = Base64.getUrlDecoder().decode(token);
        } catch (IllegalArgumentException notBase64) {
            throw new InvalidValue(description);
        }
        if (bytes.length >= Long.BYTES) {
            long position = ByteBuffer.wrap(bytes).getLong();
            if (encode(position, request).equals(token)) {
                return position;
            }
        }
        throw new InvalidValue(description);
    }

    private static byte[] checksum(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return Arrays.copyOf(digest, CHECKSUM_BYTES);
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
