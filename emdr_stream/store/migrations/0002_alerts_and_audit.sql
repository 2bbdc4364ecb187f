-- The steps in the life of alerts: written once, never changed.
create table alerts (
    session_id text not null,
    alert_seq bigint not null,
    user_id text not null,
    epoch bigint not null,
    ts_ms bigint not null,
    stored_at timestamptz not null default clock_timestamp(),
    alert_id text not null,
    state text not null,
    payload bytea not null,
    primary key (session_id, alert_seq)
);
create index alerts_by_time on alerts (ts_ms);
create index alerts_by_storage on alerts (stored_at);
create index alerts_by_user on alerts (user_id);

-- The newest step of each alert, so that the open ones are found without reading history.
create table alert_heads (
    session_id text not null,
    alert_id text not null,
    alert_seq bigint not null,
    user_id text not null,
    state text not null,
    primary key (session_id, alert_id)
);
create index alert_heads_open on alert_heads (user_id) where state <> 'resolved';

-- hash = SHA-256 of prev_hash and the row in one canonical form: a changed or removed row breaks the chain.
create table audit_log (
    id bigint primary key, -- without gaps, from 1
    ts_ms bigint not null,
    session_id text not null,
    user_id text not null,
    epoch bigint not null,
    body text not null,
    digest bytea not null unique,
    prev_hash bytea not null,
    hash bytea not null
);
create index audit_log_by_session on audit_log (session_id, id);
create index audit_log_by_user on audit_log (user_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end
$$;
create trigger alerts_are_append_only before update on alerts for each row execute function refuse_change();
create trigger audit_log_is_append_only
before update or delete on audit_log for each row execute function refuse_change();
