package payments;

import static java.util.Objects.requireNonNull;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Checks of times and durations, and conversion between instants and the contract's times. */
final class Times {
    private static final Instant MIN = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant MAX = Instant.parse("9999-12-31T23:59:59.999999999Z");

    private Times() {}

    /**
     * {@return the time of the argument {@code name}, which may be null}
     *
     * @throws IllegalArgumentException if the contract cannot express the time
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
     * @throws IllegalArgumentException if the duration is not more than zero
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
