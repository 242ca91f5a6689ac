-- Roles of the service's database, and what each may do. Run it in that database, as its administrator: a superuser, or
-- who owns the database and may create roles. Run it before the first migration, and again after every migration, for
-- UPDATE is granted table by table. It is one transaction, may be run as often as you like, also while the service runs,
-- and takes back what was granted to these roles by other means.
--
--     psql "$ADMIN_URL" -v ON_ERROR_STOP=1 -f roles.sql
--
-- The database is taken to be the service's own: every table and function in its schema public comes to belong to
-- spillway_migrator, unless an extension made it, and nobody may connect who has not been let in here. Let in others,
-- such as a monitoring agent, with GRANT CONNECT; that stays.
--
-- The three are roles of a group, without login. Who logs in is the operator's affair: logins differ between places, their
-- passwords and certificates change, two may overlap while they do, and none of that should touch a right. So this file
-- holds no secret, and belongs to the program. Make the logins so:
--
--     CREATE ROLE meter_deploy LOGIN PASSWORD '…' IN ROLE spillway_migrator;
--     ALTER ROLE meter_deploy SET role = 'spillway_migrator';  -- What it makes belongs to the group, not to the login.
--     CREATE ROLE meterd LOGIN PASSWORD '…' IN ROLE spillway_service;
--     CREATE ROLE meter_audit LOGIN PASSWORD '…' IN ROLE spillway_reader;
BEGIN;

DO $$
DECLARE
    name text;
BEGIN
    -- Roles belong to all databases of a server: there they are if another one is the service's, too.
    FOREACH name IN ARRAY ARRAY['spillway_migrator', 'spillway_service', 'spillway_reader'] LOOP
        IF to_regrole(name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
    -- Only who may act for the migrator can hand objects to it. A superuser may; another administrator joins it.
    IF NOT pg_has_role('spillway_migrator', 'USAGE') THEN
        GRANT spillway_migrator TO CURRENT_USER;
    END IF;
END
$$;

-- The database and its schema. PostgreSQL lets everybody connect and make temporary tables, and before version 15 also
-- make tables in the schema public, which a cluster brought up from there still has.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC, spillway_migrator, spillway_service, spillway_reader',
        current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO spillway_migrator, spillway_service, spillway_reader',
        current_database());
END
$$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM spillway_service, spillway_reader;
GRANT USAGE ON SCHEMA public TO spillway_service, spillway_reader;
GRANT USAGE, CREATE ON SCHEMA public TO spillway_migrator;

-- What an administrator migrated before there were roles is handed over, once: it takes a lock on each table.
DO $$
DECLARE
    object text;
BEGIN
    FOR object IN
        SELECT format('TABLE %s', c.oid::regclass) FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
            AND c.relowner <> 'spillway_migrator'::regrole
            AND NOT EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('ROUTINE %s', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> 'spillway_migrator'::regrole
            AND NOT EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('ALTER %s OWNER TO spillway_migrator', object);
    END LOOP;
END
$$;

-- A table that a later migration makes can be read and added to from then on, and be changed once it is named below.
ALTER DEFAULT PRIVILEGES FOR ROLE spillway_migrator IN SCHEMA public
    REVOKE ALL ON TABLES FROM PUBLIC, spillway_service, spillway_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE spillway_migrator IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO spillway_service;
ALTER DEFAULT PRIVILEGES FOR ROLE spillway_migrator IN SCHEMA public GRANT SELECT ON TABLES TO spillway_reader;

-- The service reads every table and adds rows to it. It changes rows of the tables that are named, which leaves out the
-- records: what moved money, set access, a price or is audited is only ever added, and so is what raised a hold. It
-- deletes nothing anywhere. How far the schema was migrated it may see, and not say.
DO $$
DECLARE
    changed CONSTANT text[] := ARRAY[
        'plan', 'organization', 'member', 'member_period', 'reservation', 'resource', 'resource_count', 'usage_watermark',
        'usage_day', 'usage_rollup', 'audit_chain', 'test_clock'];
    relation regclass;
    name text;
BEGIN
    FOR relation, name IN
        SELECT c.oid, c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
            AND c.relowner = 'spillway_migrator'::regrole
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC, spillway_service, spillway_reader', relation);
        EXECUTE format('GRANT SELECT ON TABLE %s TO spillway_service, spillway_reader', relation);
        IF name <> 'goose_db_version' THEN
            EXECUTE format('GRANT INSERT ON TABLE %s TO spillway_service', relation);
        END IF;
        IF name = ANY (changed) THEN
            EXECUTE format('GRANT UPDATE ON TABLE %s TO spillway_service', relation);
        END IF;
    END LOOP;
END
$$;

-- A REVOKE by one who did not grant is no error to PostgreSQL. Here it is.
DO $$
BEGIN
    IF has_database_privilege('spillway_service', current_database(), 'CREATE, TEMPORARY')
        OR has_schema_privilege('spillway_service', 'public', 'CREATE') THEN
        RAISE EXCEPTION 'spillway_service may still make tables: run this as a superuser, or as who owns database %',
            current_database() USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

COMMIT;
