package payments;

import java.io.Serializable;

/**
 * An invalid field of a request.
 *
 * @param field the path of the field, for example {@code amount.nanos}
 * @param description what is allowed there
 */
public record FieldViolation(String field, String description) implements Serializable {}
