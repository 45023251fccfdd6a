package payments.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static payments.testing.Calls.START;
import static payments.testing.Calls.hundred;
import static payments.testing.Calls.hundredFrom;
import static payments.testing.Calls.refundOf;

import java.time.Duration;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import payments.AsyncPaymentsClient;
import payments.InvalidRequestException;
import payments.Payment;
import payments.PaymentEvent;
import payments.PaymentEventType;
import payments.PaymentUpdate;
import payments.PaymentsClient;
import payments.ResumeTokenExpiredException;
import payments.WatchPaymentsParams;

@Timeout(60)
class WatchesTest {
    private static final WatchPaymentsParams FROM_NOW =
            WatchPaymentsParams.builder().build();

    private final ManualClock clock = ManualClock.startingAt(START);
    private final FakePaymentService service =
            FakePaymentService.builder().clock(clock).build();
    private final PaymentsClient client = service.client();

    @AfterEach
    void close() {
        client.close();
        service.close();
    }

    /** {@return the next event, after updates that have none} */
    private static PaymentEvent nextEvent(Iterator<PaymentUpdate> updates) {
        while (true) {
            PaymentUpdate update = updates.next();
            if (update.event().isPresent()) {
                return update.event().get();
            }
        }
    }

    private List<PaymentEvent> eventsAfter(WatchPaymentsParams.Builder params, int count) {
        try (Stream<PaymentUpdate> updates = client.watchPayments(params.build())) {
            return updates.flatMap(update -> update.event().stream())
                    .limit(count)
                    .toList();
        }
    }

    private String currentToken() {
        try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            return updates.findFirst().orElseThrow().resumeToken();
        }
    }

    @Test
    void aWatchBeginsWithATokenAndContinuesWithTheEventsFromNowOn() {
        client.charge(hundred().build());
        try (Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            assertTrue(updates.next().event().isEmpty());
            Payment payment = client.charge(hundred().build());
            PaymentEvent event = nextEvent(updates);
            assertEquals(PaymentEventType.CHARGED, event.type());
            assertEquals(payment, event.payment());
            client.refund(refundOf(payment, "1.00"));
            assertEquals(PaymentEventType.REFUNDED, nextEvent(updates).type());
        }
    }

    @Test
    void aWaitingWatchReceivesAnOutcomeAtTheNextCallAfterTheClockReachesItsTime() {
        try (Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            updates.next();
            Payment payment = client.charge(hundredFrom("sim_pending_5s"));
            assertEquals(PaymentEventType.PENDING, nextEvent(updates).type());
            clock.advance(Duration.ofSeconds(5));
            client.getPayment(payment.paymentId());
            assertEquals(PaymentEventType.CHARGED, nextEvent(updates).type());
        }
    }

    @Test
    void withTheSystemsClockAWaitingWatchReceivesLaterChangesWithoutAnotherCall() {
        try (FakePaymentService realTime = FakePaymentService.create();
                PaymentsClient other = realTime.client();
                Stream<PaymentUpdate> stream = other.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            updates.next();
            other.charge(hundredFrom("sim_dispute_5s_won"));
            assertEquals(PaymentEventType.PENDING, nextEvent(updates).type());
            assertEquals(PaymentEventType.CHARGED, nextEvent(updates).type());
            assertEquals(PaymentEventType.DISPUTE_OPENED, nextEvent(updates).type());
            assertEquals(PaymentEventType.DISPUTE_WON, nextEvent(updates).type());
        }
    }

    @Test
    void anEventHasTheCurrentNextAction() {
        String start = currentToken();
        Payment pending = client.charge(hundredFrom("sim_approval_5s"));
        WatchPaymentsParams.Builder params = WatchPaymentsParams.builder().resumeToken(start);
        eventsAfter(params, 2).forEach(event -> assertEquals(pending, event.payment()));
        clock.advance(Duration.ofSeconds(5));
        assertEquals(Calls.events(client, pending), eventsAfter(params, 3));
    }

    @Test
    void anIdleWatchReceivesATokenFromTimeToTime() {
        try (Stream<PaymentUpdate> updates = client.watchPayments(FROM_NOW)) {
            List<PaymentUpdate> two = updates.limit(2).toList();
            assertEquals(two.get(0), two.get(1));
        }
    }

    @Test
    void aWatchResumesAfterItsToken() {
        String start = currentToken();
        Payment payment = client.charge(hundred().build());
        client.refund(refundOf(payment, "1.00"));
        client.refund(refundOf(payment, "2.00"));
        WatchPaymentsParams.Builder params = WatchPaymentsParams.builder().resumeToken(start);
        List<PaymentEvent> all = eventsAfter(params, 3);
        assertEquals(Calls.events(client, payment), all);
        try (Stream<PaymentUpdate> updates = client.watchPayments(params.build())) {
            PaymentUpdate first = updates.filter(update -> update.event().isPresent())
                    .findFirst()
                    .orElseThrow();
            assertEquals(all.subList(1, 3), eventsAfter(params.resumeToken(first.resumeToken()), 2));
        }
    }

    @Test
    void aWatchHasOnlyTheEventsThatMatchAllConditions() {
        String start = currentToken();
        Payment named = client.charge(hundred()
                .orderId(7)
                .externalReference("ORD-1")
                .customerId("customer 7")
                .build());
        Payment other = client.charge(hundred().orderId(7).build());
        Payment last = client.charge(hundredFrom("sim_fraud"));
        client.refund(refundOf(named, "1.00"));
        client.refund(refundOf(other, "1.00"));
        client.refund(refundOf(named, "2.00"));

        WatchPaymentsParams.Builder params = WatchPaymentsParams.builder().resumeToken(start);
        assertEquals(
                List.of(named.paymentId(), other.paymentId(), named.paymentId()),
                paymentIds(eventsAfter(params.caller("anonymous").orderId(7), 3)));
        assertEquals(
                List.of(named.paymentId(), named.paymentId(), named.paymentId()),
                paymentIds(eventsAfter(params.customerId("customer 7"), 3)));
        params.types(List.of(PaymentEventType.REFUNDED)).externalReference("ORD-1");
        assertEquals(
                List.of(PaymentEventType.REFUNDED, PaymentEventType.REFUNDED),
                eventsAfter(params, 2).stream().map(PaymentEvent::type).toList());
        WatchPaymentsParams.Builder failed = WatchPaymentsParams.builder()
                .resumeToken(start)
                .types(List.of(PaymentEventType.FAILED, PaymentEventType.REFUND_FAILED));
        assertEquals(List.of(last.paymentId()), paymentIds(eventsAfter(failed, 1)));
    }

    private static List<Long> paymentIds(List<PaymentEvent> events) {
        return events.stream().map(event -> event.payment().paymentId()).toList();
    }

    @Test
    void anInvalidWatchIsRejected() {
        assertInvalid("resume_token", WatchPaymentsParams.builder().resumeToken("no token"));
        assertInvalid("filter.external_reference", WatchPaymentsParams.builder().externalReference("a\0b"));
        assertInvalid("filter.customer_id", WatchPaymentsParams.builder().customerId(""));
        assertInvalid("filter.caller", WatchPaymentsParams.builder().caller("shop "));
        client.charge(hundred().build());
        String token = currentToken();
        try (FakePaymentService empty = FakePaymentService.create();
                PaymentsClient other = empty.client();
                Stream<PaymentUpdate> updates = other.watchPayments(
                        WatchPaymentsParams.builder().resumeToken(token).build())) {
            assertThrows(ResumeTokenExpiredException.class, updates::findFirst);
        }
    }

    private void assertInvalid(String field, WatchPaymentsParams.Builder params) {
        InvalidRequestException error = assertThrows(InvalidRequestException.class, () -> eventsAfter(params, 1));
        assertEquals(field, error.violations().get(0).field());
    }

    @Test
    void aSlowConsumerMissesNothing() {
        try (Stream<PaymentUpdate> stream = client.watchPayments(FROM_NOW)) {
            Iterator<PaymentUpdate> updates = stream.iterator();
            updates.next();
            for (int count = 0; count < 100; count++) {
                client.charge(hundred().build());
            }
            for (long paymentId = 1; paymentId <= 100; paymentId++) {
                assertEquals(paymentId, nextEvent(updates).payment().paymentId());
            }
        }
    }

    @Test
    void aSubscriberMayCallTheClient() throws InterruptedException {
        BlockingQueue<PaymentEventType> types = new LinkedBlockingQueue<>();
        try (AsyncPaymentsClient asyncClient = service.asyncClient()) {
            CompletableFuture<Void> started = new CompletableFuture<>();
            CompletableFuture<Void> watch = asyncClient.watchPayments(FROM_NOW).forEach(update -> {
                started.complete(null);
                update.event().ifPresent(event -> {
                    types.add(event.type());
                    if (event.type() == PaymentEventType.CHARGED) {
                        client.refund(refundOf(event.payment(), "1.00"));
                    }
                });
            });
            started.join();
            client.charge(hundred().build());
            assertEquals(PaymentEventType.CHARGED, types.poll(20, TimeUnit.SECONDS));
            assertEquals(PaymentEventType.REFUNDED, types.poll(20, TimeUnit.SECONDS));
            assertFalse(watch.isDone());
        }
    }
}
