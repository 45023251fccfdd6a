package payments.testing;

import com.google.protobuf.Timestamp;
import java.time.Instant;

/** Converts times. */
final class Times {
    private static final long MIN_SECONDS =
            Instant.parse("0001-01-01T00:00:00Z").getEpochSecond();
    private static final long MAX_SECONDS =
            Instant.parse("9999-12-31T23:59:59Z").getEpochSecond();
    private static final int NANOS_PER_SECOND = 1_000_000_000;

    private Times() {}

    /**
     * {@return the time of a message}
     *
     * @throws InvalidValue if it is not a valid time
     */
    static Instant toInstant(Timestamp timestamp) {
        if (timestamp.getSeconds() < MIN_SECONDS || timestamp.getSeconds() > MAX_SECONDS) {
            throw new InvalidValue(
                    "seconds", "must be between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z");
        }
        if (timestamp.getNanos() < 0 || timestamp.getNanos() >= NANOS_PER_SECOND) {
            throw new InvalidValue("nanos", "must be between 0 and 999,999,999");
        }
        return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
    }

    static Timestamp toTimestamp(Instant time) {
        return Timestamp.newBuilder()
                .setSeconds(time.getEpochSecond())
                .setNanos(time.getNano())
                .build();
    }
}
