CREATE TABLE `api_keys` (
  `key_id` char(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `digest` binary(32) NOT NULL,
  `caller` varbinary(255) NOT NULL,
  `roles` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `expires_at` datetime(6) DEFAULT NULL,
  `revoked_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`key_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `late_outcomes` (
  `late_outcome_id` bigint NOT NULL AUTO_INCREMENT,
  `kind` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `payment_id` bigint NOT NULL,
  `refund_id` bigint DEFAULT NULL,
  `found_at` datetime(6) NOT NULL,
  KEY `late_outcomes_by_time` (`found_at`),
  PRIMARY KEY (`late_outcome_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

CREATE TABLE `maintenance_locks` (
  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `lease_number` bigint NOT NULL,
  `holder` varchar(255) COLLATE utf8mb4_bin NOT NULL,
  `acquired_at` datetime(6) NOT NULL,
  `leased_until` datetime(6) NOT NULL,
  PRIMARY KEY (`name`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `order_locks` (
  `order_key` varbinary(450) NOT NULL,
  PRIMARY KEY (`order_key`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `payment_events` (
  `sequence` bigint NOT NULL,
  `payment_id` bigint NOT NULL,
  `refund_id` bigint DEFAULT NULL,
  `kind` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `refunded_amount` decimal(19,4) NOT NULL,
  `occurred_at` datetime(6) DEFAULT NULL,
  KEY `payment_events_by_payment` (`payment_id`,`sequence`),
  PRIMARY KEY (`sequence`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `payment_events_archive` (
  `sequence` bigint NOT NULL,
  `payment_id` bigint NOT NULL,
  `refund_id` bigint DEFAULT NULL,
  `kind` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `refunded_amount` decimal(19,4) NOT NULL,
  `occurred_at` datetime(6) DEFAULT NULL,
  KEY `payment_events_archive_by_payment` (`payment_id`,`sequence`),
  PRIMARY KEY (`sequence`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `payment_outbox` (
  `outbox_id` bigint NOT NULL AUTO_INCREMENT,
  `changes` longtext COLLATE utf8mb4_bin NOT NULL,
  `created_at` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (`outbox_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

CREATE TABLE `payment_stream` (
  `stream_id` tinyint NOT NULL,
  `last_sequence` bigint NOT NULL,
  `lease_number` bigint NOT NULL DEFAULT '0',
  `leased_until` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`stream_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `payments` (
  `payment_id` bigint NOT NULL AUTO_INCREMENT,
  `order_id` bigint NOT NULL,
  `amount` decimal(19,4) DEFAULT NULL,
  `method` varchar(255) COLLATE utf8mb4_0900_bin NOT NULL,
  `status` tinyint(1) DEFAULT NULL,
  `reference` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `created_at` datetime(6) DEFAULT CURRENT_TIMESTAMP(6),
  `refunded` tinyint(1) NOT NULL DEFAULT '0',
  `currency` char(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'INR',
  `refunded_amount` decimal(19,4) NOT NULL DEFAULT '0',
  `requested_method` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `caller` varbinary(255) DEFAULT NULL,
  `request_id` varbinary(255) DEFAULT NULL,
  `external_reference` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `customer_id` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `labels` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `failure` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `failure_code` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `processor_reference` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `simulated_source` varchar(40) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `forgotten_at` datetime(6) DEFAULT NULL,
  `source_mark` varchar(80) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `next_action` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `dispute_status` varchar(8) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `dispute` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  KEY `payments_by_caller` (`caller`,`created_at`,`payment_id`),
  KEY `payments_by_customer` (`customer_id`,`created_at`,`payment_id`),
  KEY `payments_by_external_reference` (`external_reference`,`created_at`,`payment_id`),
  KEY `payments_by_method` (`method`,`created_at`,`payment_id`,`status`),
  KEY `payments_by_order` (`order_id`,`created_at`,`payment_id`),
  KEY `payments_by_processor_reference` (`processor_reference`,`created_at`,`payment_id`),
  KEY `payments_by_status` (`status`,`created_at`,`payment_id`,`method`),
  KEY `payments_by_time` (`created_at`,`payment_id`),
  PRIMARY KEY (`payment_id`) /*T![clustered_index] CLUSTERED */,
  UNIQUE KEY `payments_by_request` (`caller`,`request_id`),
  UNIQUE KEY `reference` (`reference`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

CREATE TABLE `payments_archive` (
  `payment_id` bigint NOT NULL,
  `order_id` bigint NOT NULL,
  `amount` decimal(19,4) DEFAULT NULL,
  `method` varchar(255) COLLATE utf8mb4_0900_bin NOT NULL,
  `status` tinyint(1) DEFAULT NULL,
  `reference` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `created_at` datetime(6) DEFAULT NULL,
  `refunded` tinyint(1) NOT NULL,
  `currency` char(3) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `refunded_amount` decimal(19,4) NOT NULL,
  `requested_method` varchar(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `caller` varbinary(255) DEFAULT NULL,
  `request_id` varbinary(255) DEFAULT NULL,
  `archived_at` datetime(6) NOT NULL,
  `external_reference` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `customer_id` varchar(100) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `labels` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `failure` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `failure_code` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `processor_reference` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `simulated_source` varchar(40) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `forgotten_at` datetime(6) DEFAULT NULL,
  `source_mark` varchar(80) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `next_action` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `dispute_status` varchar(8) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `dispute` text COLLATE utf8mb4_0900_bin DEFAULT NULL,
  KEY `payments_archive_by_customer` (`customer_id`,`payment_id`),
  KEY `payments_archive_by_processor_reference` (`processor_reference`),
  PRIMARY KEY (`payment_id`) /*T![clustered_index] CLUSTERED */,
  UNIQUE KEY `payments_archive_by_reference` (`reference`),
  UNIQUE KEY `payments_archive_by_request` (`caller`,`request_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `processor_checks` (
  `payment_id` bigint NOT NULL,
  `hints` bigint NOT NULL DEFAULT '1',
  `attempts` int NOT NULL DEFAULT '0',
  `is_disputed` tinyint(1) NOT NULL DEFAULT '0',
  `created_at` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  `waits_since` datetime(6) DEFAULT NULL,
  `due_at` datetime(6) NOT NULL,
  `claimed_by` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  KEY `processor_checks_by_claim` (`claimed_by`),
  KEY `processor_checks_by_due` (`due_at`),
  PRIMARY KEY (`payment_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `processor_payments` (
  `payment_id` bigint NOT NULL,
  `processor_id` varchar(255) COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (`payment_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `processor_polls` (
  `poll_id` tinyint NOT NULL,
  `last_event_id` varchar(255) COLLATE utf8mb4_bin DEFAULT NULL,
  `due_at` datetime(6) NOT NULL,
  `claimed_by` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`poll_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `processor_requests` (
  `processor_request_id` bigint NOT NULL AUTO_INCREMENT,
  `kind` varchar(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `payment_id` bigint NOT NULL,
  `refund_id` bigint DEFAULT NULL,
  `attempts` int NOT NULL DEFAULT '0',
  `created_at` datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  `due_at` datetime(6) NOT NULL,
  `claimed_by` char(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  KEY `processor_requests_by_claim` (`claimed_by`),
  KEY `processor_requests_by_due` (`due_at`),
  KEY `processor_requests_by_payment` (`payment_id`,`refund_id`),
  PRIMARY KEY (`processor_request_id`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

CREATE TABLE `refunds` (
  `refund_id` bigint NOT NULL AUTO_INCREMENT,
  `payment_id` bigint NOT NULL,
  `amount` decimal(19,4) NOT NULL,
  `requested_amount` decimal(19,4) DEFAULT NULL,
  `status` tinyint(1) DEFAULT NULL,
  `reason` varchar(255) COLLATE utf8mb4_bin NOT NULL,
  `caller` varbinary(255) NOT NULL,
  `request_id` varbinary(255) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `failure` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `failure_code` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `processor_reference` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  CONSTRAINT `refunds_payment` FOREIGN KEY (`payment_id`) REFERENCES `payments` (`payment_id`),
  KEY `refunds_by_payment` (`payment_id`,`refund_id`),
  PRIMARY KEY (`refund_id`) /*T![clustered_index] CLUSTERED */,
  UNIQUE KEY `refunds_by_request` (`caller`,`request_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 /*T![auto_id_cache] AUTO_ID_CACHE=1 */;

CREATE TABLE `refunds_archive` (
  `refund_id` bigint NOT NULL,
  `payment_id` bigint NOT NULL,
  `amount` decimal(19,4) NOT NULL,
  `requested_amount` decimal(19,4) DEFAULT NULL,
  `status` tinyint(1) DEFAULT NULL,
  `reason` varchar(255) COLLATE utf8mb4_bin NOT NULL,
  `caller` varbinary(255) NOT NULL,
  `request_id` varbinary(255) NOT NULL,
  `created_at` datetime(6) NOT NULL,
  `archived_at` datetime(6) NOT NULL,
  `failure` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `failure_code` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  `processor_reference` varchar(255) COLLATE utf8mb4_0900_bin DEFAULT NULL,
  KEY `refunds_archive_by_payment` (`payment_id`,`refund_id`),
  PRIMARY KEY (`refund_id`) /*T![clustered_index] CLUSTERED */,
  UNIQUE KEY `refunds_archive_by_request` (`caller`,`request_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `schema_migrations` (
  `version` int NOT NULL,
  `name` varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `checksum` char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `schema_before` char(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `started_at` datetime(6) NOT NULL,
  `applied_at` datetime(6) DEFAULT NULL,
  PRIMARY KEY (`version`) /*T![clustered_index] CLUSTERED */
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- triggers: none
-- routines: none
-- events: none
