// Generated from clients/service_config.json. DO NOT EDIT.

export default {
  "loadBalancingConfig": [{"round_robin": {}}],
  "methodConfig": [
    {
      "name": [
        {"service": "payments.v1.PaymentService", "method": "Charge"},
        {"service": "payments.v1.PaymentService", "method": "BatchCharge"},
        {"service": "payments.v1.PaymentService", "method": "Refund"},
        {"service": "payments.v1.PaymentService", "method": "GetPayment"},
        {"service": "payments.v1.PaymentService", "method": "ListRefunds"},
        {"service": "payments.v1.PaymentService", "method": "ListPayments"},
        {"service": "payments.v1.PaymentService", "method": "ListPaymentEvents"}
      ],
      "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.05s",
        "maxBackoff": "0.5s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
      }
    }
  ]
};
