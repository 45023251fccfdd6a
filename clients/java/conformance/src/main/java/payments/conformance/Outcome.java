package payments.conformance;

import com.google.gson.JsonElement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.function.Supplier;

/** The outcome of a call that runs in its own thread. */
final class Outcome {
    private static final Executor THREADS = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    });

    private final CompletableFuture<JsonElement> call;

    private Outcome(CompletableFuture<JsonElement> call) {
        this.call = call;
    }

    static Outcome start(Supplier<JsonElement> call) {
        return new Outcome(CompletableFuture.supplyAsync(call, THREADS));
    }

    /** {@return the exception that the call threw, or null if it returned} */
    RuntimeException exception() {
        try {
            call.join();
            return null;
        } catch (CompletionException failed) {
            return failed.getCause() instanceof RuntimeException thrown ? thrown : failed;
        }
    }

    JsonElement result() {
        return call.join();
    }
}
