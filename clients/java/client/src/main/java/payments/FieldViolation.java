package payments;

import java.io.Serializable;

/**
 * An invalid field of a request.
 *
 * @param field the path of the field, for example {@code amount.nanos}
 * @param description a description of the allowed values
 */
public record FieldViolation(String field, String description) implements Serializable {}
