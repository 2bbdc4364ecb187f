-- When each owner of a session began. A row of an earlier owner that tells of a time before every later one was written
-- in good faith and only arrives late (it waited on a disk while the database was away): it is taken, others are refused.
create table session_epochs (
    session_id text not null references sessions on delete cascade,
    epoch bigint not null,
    since timestamptz not null, -- time of the earliest of its rows that came with the first
    primary key (session_id, epoch)
);
insert into session_epochs select session_id, epoch, first_seen from sessions;
