-- +goose Up

-- An organization's row tells when to look for lapsed holds, so that a batch need not look in every one.
ALTER TABLE organization ADD COLUMN next_due_at timestamptz;
UPDATE organization o SET next_due_at = (
    SELECT min(r.expires_at) FROM reservation r WHERE r.organization_id = o.organization_id AND r.state = 1);
ALTER TABLE organization DROP COLUMN swept_until;
