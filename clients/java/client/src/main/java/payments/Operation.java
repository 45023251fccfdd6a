package payments;

import io.grpc.MethodDescriptor;
import java.util.function.Function;

/**
 * One call: its RPC, its request, and how to convert the response. Both clients use the same operations.
 *
 * @param method the RPC
 * @param request the request; all attempts send the same one
 * @param requestId the request's idempotency key, for errors; null for calls that only read, and for batches
 * @param convert converts the response to the call's result
 * @param <Q> the request
 * @param <A> the response
 * @param <R> the result
 */
record Operation<Q, A, R>(MethodDescriptor<Q, A> method, Q request, String requestId, Function<A, R> convert) {}
