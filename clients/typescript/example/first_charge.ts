async function main() {
  const { Decimal, PaymentsClient } = await import("@payments/client");
  const client = new PaymentsClient({ target: process.env["PAYMENTS_TARGET"] ?? "127.0.0.1:50051" });
  const payment = await client.charge({ orderId: 342, amount: new Decimal("561.00"), method: "UPI" });
  console.log(`${payment.paymentId} ${payment.status} ${payment.reference}`);
  if (payment.status === "SUCCEEDED") {
    const { paymentId } = payment;
    const result = await client.refund({ paymentId, amount: new Decimal("100.00"), reason: "one item was damaged" });
    console.log(`${result.payment.refundedAmount?.toFixed(2)} ${result.payment.refundState}`);
  }
  for await (const { createTime, amount, currency, method, status } of client.listPayments({ orderId: 342 })) {
    console.log(`${createTime?.toISOString()} ${amount?.toFixed(2)} ${currency} ${method} ${status}`);
  }
  client.close();
}

void main();
