package payments;

import java.io.Serializable;

/**
 * One thing wrong with a request.
 *
 * @param field the path of the field in it, as in {@code amount.nanos}
 * @param description what is allowed there
 */
public record FieldViolation(String field, String description) implements Serializable {}
