package payments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.grpc.Status;
import java.nio.channels.ClosedChannelException;
import org.junit.jupiter.api.Test;

class BrokenConnectionTest {
    @Test
    void aConnectionThatBreaksWhileACallIsWrittenIsUnavailable() {
        Status status = Status.UNKNOWN.withDescription("channel closed").withCause(new ClosedChannelException());
        PaymentsException error = Errors.fromRpc(status.asRuntimeException(), "order-342");
        assertInstanceOf(UnavailableException.class, error);
        assertEquals(Status.Code.UNAVAILABLE, error.code());
    }

    @Test
    void anUnknownErrorFromTheServiceStaysUnknown() {
        PaymentsException error = Errors.fromRpc(Status.UNKNOWN.asRuntimeException(), "order-342");
        assertEquals(Status.Code.UNKNOWN, error.code());
    }
}
