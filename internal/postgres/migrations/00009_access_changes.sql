-- +goose Up

-- Changes of access in the order in which they were made. Like other indexes beside a primary key (migration 1), it has a
-- predicate that holds for every row and that only the list names.
CREATE INDEX access_change_in_order ON access_change (organization_id, at, change_id) WHERE at > '-infinity';

COMMENT ON TABLE plan IS 'A tier that organizations are on. Like price books, it belongs to no organization.';
