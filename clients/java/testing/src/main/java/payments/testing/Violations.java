package payments.testing;

import com.google.rpc.BadRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** Collects all violations of one request, so that the error names each of them. */
final class Violations {
    private final List<BadRequest.FieldViolation> violations = new ArrayList<>();

    /** {@return what {@code parse} returns; null if the value is invalid, which is recorded for {@code field}} */
    <T> T read(String field, Supplier<T> parse) {
        try {
            return parse.get();
        } catch (InvalidValue invalid) {
            add(invalid.part().isEmpty() ? field : field + "." + invalid.part(), invalid.getMessage());
            return null;
        }
    }

    /** Records that {@code field} is invalid. */
    void add(String field, String description) {
        violations.add(BadRequest.FieldViolation.newBuilder()
                .setField(field)
                .setDescription(description)
                .build());
    }

    /** Runs {@code check}, and records for {@code field} that the value is invalid. */
    void check(String field, Runnable check) {
        read(field, () -> {
            check.run();
            return null;
        });
    }

    /** @throws ServiceError if a value was invalid */
    void throwIfAny() {
        if (!violations.isEmpty()) {
            throw ServiceError.invalidRequest(violations);
        }
    }
}
