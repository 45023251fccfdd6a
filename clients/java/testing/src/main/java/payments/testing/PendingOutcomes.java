package payments.testing;

import java.time.Instant;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.Queue;
import java.util.function.Consumer;

/** The later outcomes of charges, refunds and disputes, until they are due. */
final class PendingOutcomes {
    private final Queue<PendingOutcome> queue =
            new PriorityQueue<>(Comparator.comparing(PendingOutcome::dueTime).thenComparing(PendingOutcome::number));

    private long count;

    /** Adds an outcome. {@code apply} receives the time when it was due. */
    void add(Instant dueTime, Consumer<Instant> apply) {
        count++;
        queue.add(new PendingOutcome(dueTime, count, apply));
    }

    /** Applies the outcomes that are due, in order, and removes them. */
    void applyDue(Instant now) {
        while (!queue.isEmpty() && !queue.peek().dueTime().isAfter(now)) {
            PendingOutcome next = queue.remove();
            next.apply().accept(next.dueTime());
        }
    }

    private record PendingOutcome(Instant dueTime, long number, Consumer<Instant> apply) {}
}
