-- +goose Up

CREATE TABLE price_book (
    price_book_id      text COLLATE "C" NOT NULL,
    version            bigint           NOT NULL,
    unit               smallint         NOT NULL,
    acu_micros_per_usd bigint           NOT NULL,
    source             text             NOT NULL,
    licence            text             NOT NULL,
    as_of              date,
    models             jsonb            NOT NULL,
    created_at         timestamptz      NOT NULL,
    created_by         text             NOT NULL,
    CONSTRAINT price_book_version_once PRIMARY KEY (price_book_id, version),
    CONSTRAINT price_book_version_starts_at_one CHECK (version >= 1),
    CONSTRAINT price_book_unit_is_known CHECK (unit BETWEEN 1 AND 2),
    CONSTRAINT price_book_conversion_is_an_amount CHECK (acu_micros_per_usd BETWEEN 0 AND 1000000000000),
    CONSTRAINT price_book_models_are_a_list CHECK (jsonb_typeof(models) = 'array')
);
COMMENT ON TABLE price_book IS 'What tokens cost, one row for each version of a book. Rows are only ever added. It belongs to no organization.';
CREATE TRIGGER price_book_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON price_book
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE reservation
    ADD COLUMN price_book_id      text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN price_book_version bigint           NOT NULL DEFAULT 0,
    ADD COLUMN estimate_policy    smallint         NOT NULL DEFAULT 0,
    ADD COLUMN cost_basis         smallint         NOT NULL DEFAULT 0;
UPDATE reservation SET cost_basis = 1 WHERE state IN (2, 3);
ALTER TABLE reservation
    ADD CONSTRAINT reservation_book_has_a_version CHECK ((price_book_id = '') = (price_book_version = 0) AND price_book_version >= 0),
    ADD CONSTRAINT reservation_estimate_policy_is_known CHECK (estimate_policy BETWEEN 0 AND 2),
    ADD CONSTRAINT reservation_cost_has_a_basis CHECK (
        CASE WHEN state IN (2, 3) THEN cost_basis BETWEEN 1 AND 3 ELSE cost_basis = 0 END);
