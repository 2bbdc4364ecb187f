-- A person's entries of the audit log may be emptied, and nothing else: number, time and both hashes stay.
create function refuse_change_but_emptying() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE'
        and new.id = old.id and new.ts_ms = old.ts_ms
        and new.prev_hash = old.prev_hash and new.hash = old.hash
        and new.session_id = '' and new.user_id = '' and new.epoch = 0 and new.body = '{"erased":true}'
    then
        return new;
    end if;
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;
drop trigger audit_log_is_append_only on audit_log;
create trigger audit_log_is_append_only
before update or delete on audit_log for each row execute function refuse_change_but_emptying();

-- Sessions that were erased, each by the SHA-256 of its id: rows of theirs that come late are refused.
create table erased_sessions (
    digest bytea primary key,
    erased_at timestamptz not null default now()
);
