-- Finds an archived payment by its identifier at the processor, because it may be disputed.
ALTER TABLE payments_archive ADD KEY payments_archive_by_processor_reference (processor_reference);
