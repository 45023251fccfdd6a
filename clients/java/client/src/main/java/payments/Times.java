package payments;

import static java.util.Objects.requireNonNull;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/** Checks times and durations, and converts between instants and the contract's timestamps. */
final class Times {
    private static final Instant MIN = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant MAX = Instant.parse("9999-12-31T23:59:59.999999999Z");

    private Times() {}

    /**
     * Checks the time of an argument and returns it. The time may be null.
     *
     * @param name the argument's name, for the message
     * @param time the time
     * @return the time
     * @throws IllegalArgumentException if the contract cannot express the time
     */
    static Instant check(String name, Instant time) {
        if (time != null && (time.isBefore(MIN) || time.isAfter(MAX))) {
            throw new IllegalArgumentException(name + " must be in the years 1 to 9999, not " + time);
        }
        return time;
    }

    /**
     * Checks the duration of an argument and returns it.
     *
     * @param name the argument's name, for the message
     * @param duration the duration
     * @return the duration
     * @throws IllegalArgumentException if the duration is not more than zero
     */
    static Duration checkPositive(String name, Duration duration) {
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
