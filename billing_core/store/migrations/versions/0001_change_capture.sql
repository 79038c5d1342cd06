-- Change capture of revision 0001: how the warehouse finds what changed since its last refresh.
--
-- A row's `chg` is the transaction that last changed it. The column's default covers INSERT; the functions here cover the rest.
-- `billing.track(table)` puts all of them on a table with `chg` and `recorded_at`; later revisions call it for their new tables.

-- An UPDATE moves `chg` and `recorded_at`, unless it changes nothing else: saving the same values again is no change.
create function billing.touch() returns trigger language plpgsql as $$
begin
    new.chg := old.chg;
    new.recorded_at := old.recorded_at;
    if new is distinct from old then
        new.chg := pg_current_xact_id();
        new.recorded_at := now();
    end if;
    return new;
end
$$;

-- A DELETE leaves the keys of the rows that are gone. The arguments are the columns of the primary key.
create function billing.bury_deleted() returns trigger language plpgsql as $$
declare
    key_of_row text := (select string_agg(format('%L, %I', name, name), ', ') from unnest(tg_argv) as name);
begin
    execute format(
        'insert into billing.tombstones (table_name, row_key) select %L, jsonb_build_object(%s) from gone',
        tg_table_name, key_of_row
    );
    return null;
end
$$;

-- A TRUNCATE is a DELETE of every row.
create function billing.bury_all() returns trigger language plpgsql as $$
declare
    key_of_row text := (select string_agg(format('%L, %I', name, name), ', ') from unnest(tg_argv) as name);
begin
    execute format(
        'insert into billing.tombstones (table_name, row_key) select %L, jsonb_build_object(%s) from %I.%I',
        tg_table_name, key_of_row, tg_table_schema, tg_table_name
    );
    return null;
end
$$;

-- A row that gets another key is a new row and an old one that is gone.
create function billing.bury_old_key() returns trigger language plpgsql as $$
declare
    is_moved boolean;
    row_key jsonb;
begin
    select bool_or(to_jsonb(old) -> name is distinct from to_jsonb(new) -> name), jsonb_object_agg(name, to_jsonb(old) -> name)
    into is_moved, row_key
    from unnest(tg_argv) as name;
    if is_moved then
        insert into billing.tombstones (table_name, row_key) values (tg_table_name, row_key);
    end if;
    return null;
end
$$;

create function billing.track(table_name text) returns void language plpgsql as $$
declare
    key_columns text[];
    as_arguments text;
    as_columns text;
begin
    select array_agg(a.attname::text order by position.i)
    into key_columns
    from pg_index as x
    cross join unnest(x.indkey) with ordinality as position (attnum, i)
    join pg_attribute as a on a.attrelid = x.indrelid and a.attnum = position.attnum
    where x.indisprimary and x.indrelid = format('billing.%I', table_name)::regclass;

    select string_agg(quote_literal(name), ', '), string_agg(quote_ident(name), ', ')
    into as_arguments, as_columns
    from unnest(key_columns) as name;

    execute format(
        'create trigger touch before update on billing.%I for each row execute function billing.touch()', table_name
    );
    execute format(
        'create trigger bury_deleted after delete on billing.%I referencing old table as gone '
        'for each statement execute function billing.bury_deleted(%s)', table_name, as_arguments
    );
    execute format(
        'create trigger bury_all before truncate on billing.%I for each statement execute function billing.bury_all(%s)',
        table_name, as_arguments
    );
    execute format(
        'create trigger bury_old_key after update of %s on billing.%I for each row execute function billing.bury_old_key(%s)',
        as_columns, table_name, as_arguments
    );
end
$$;

select billing.track(c.table_name::text)
from information_schema.columns as c
where c.table_schema = 'billing' and c.column_name = 'chg' and c.table_name <> 'tombstones';

-- The audit log grows and never changes; who wrote a row and when is said by the server, not by the writer.
create function billing.stamp_audit() returns trigger language plpgsql as $$
begin
    new.at := now();
    new.db_user := session_user;
    return new;
end
$$;

create function billing.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% of billing.% is refused: the log is only ever added to', tg_op, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger stamp before insert on billing.audit_log for each row execute function billing.stamp_audit();
create trigger refuse_change before update or delete or truncate on billing.audit_log
for each statement execute function billing.refuse_change();
