package payments;

import static java.util.Objects.requireNonNull;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Between instants and the contract's times; and durations. */
final class Times {
    private static final Instant MIN = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant MAX = Instant.parse("9999-12-31T23:59:59.999999999Z");

    private Times() {}

    /**
     * {@return the time of the argument {@code name}, which may be null}
     *
     * @throws IllegalArgumentException the contract cannot express it
     */
    static Instant checked(String name, Instant time) {
        if (time != null && (time.isBefore(MIN) || time.isAfter(MAX))) {
            throw new IllegalArgumentException(name + " must be in the years 1 to 9999, not " + time);
        }
        return time;
    }

    /**
     * {@return the duration of the argument {@code name}}
     *
     * @throws IllegalArgumentException it is not more than zero
     */
    static Duration positive(String name, Duration duration) {
        requireNonNull(duration, name);
        if (duration.isNegative() || duration.isZero()) {
            throw new IllegalArgumentException(name + " must be more than zero, not " + duration);
        }
        return duration;
    }

    static Timestamp toTimestamp(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }

    static Instant fromTimestamp(Timestamp timestamp) {
        return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
    }
}
