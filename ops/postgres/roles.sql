-- The two roles of Kobatela and its database. Run once by a superuser with psql, which reads the
-- passwords from its environment; running it again changes nothing but the passwords.
--
--   kobatela_owner  owns the tables and runs the migrations
--   kobatela_app    reads and writes rows; may not create, alter, drop or truncate anything.
--                   Append-only tables take more away from it in their migrations.
\set ON_ERROR_STOP on
\getenv owner_password KOBATELA_OWNER_PASSWORD
\getenv app_password KOBATELA_APP_PASSWORD

SELECT format('CREATE ROLE %I LOGIN', name)
  FROM unnest(ARRAY['kobatela_owner', 'kobatela_app']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
ALTER ROLE kobatela_owner PASSWORD :'owner_password';
ALTER ROLE kobatela_app PASSWORD :'app_password';

-- Databases made later (the tests' own) copy these privileges from the template.
\connect template1
ALTER DEFAULT PRIVILEGES FOR ROLE kobatela_owner
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO kobatela_app;
ALTER DEFAULT PRIVILEGES FOR ROLE kobatela_owner GRANT USAGE, SELECT ON SEQUENCES TO kobatela_app;

SELECT 'CREATE DATABASE kobatela OWNER kobatela_owner'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'kobatela')
\gexec
