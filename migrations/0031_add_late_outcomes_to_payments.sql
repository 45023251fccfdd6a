-- What a real processor adds to a payment. NULL is none of these, as in all earlier rows. No row is rewritten.
-- source_mark: the keyed hash of the payment source, after the id of its key. The source itself is never stored.
-- next_action: JSON, what the payer must do, while the payment is pending. It contains a URL with which anybody can approve
-- the payment. dispute_status: OPEN, WON or LOST. dispute: JSON, the rest of the dispute.
ALTER TABLE payments
    ADD COLUMN source_mark VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN next_action TEXT CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL,
    ADD COLUMN dispute_status VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN dispute TEXT CHARACTER SET utf8mb4
        COLLATE /*M! utf8mb4_nopad_bin */ /*!80000 utf8mb4_0900_bin */ NULL;
