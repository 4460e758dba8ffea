"""Rate limits by exact sliding windows: the instants of the last places, and one function that hands them out.

Revision: 0007, after 0006.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

COLUMNS = """
alter table ops.rate_budgets
    add column calls integer,
    add column seconds double precision,
    add column places bigint not null default 0,
    add column marks timestamptz[] not null default '{}',
    add column opens_at timestamptz,
    add column last_place_at timestamptz,
    add column latest_at timestamptz,
    add column failures integer not null default 0,
    add column probe_until timestamptz;
comment on column ops.rate_budgets.next_free_at is 'Of `:retries` rows alone: up to when retries are paid for.';
comment on column ops.rate_budgets.calls is 'The allowance the marks were made for; NULL: unpublished, only counted.';
comment on column ops.rate_budgets.seconds is 'The window of the allowance.';
comment on column ops.rate_budgets.places is 'Places promised so far; the place modulo the ring finds its mark.';
comment on column ops.rate_budgets.marks is 'Ring of at most 200 instants: no place of a block is later than its mark.';
comment on column ops.rate_budgets.opens_at is 'No place of the present block is earlier: a window after the old mark.';
comment on column ops.rate_budgets.last_place_at is 'The place promised last; while it is ahead, places are spaced.';
comment on column ops.rate_budgets.latest_at is 'The latest instant any place was promised for.';
comment on column ops.rate_budgets.window_limit is 'What the platform said of the allowance, or taught by refusing.';
comment on column ops.rate_budgets.window_used is 'What the platform says is used; if only counted: calls of the day.';
comment on column ops.rate_budgets.failures is 'Of `:circuit` rows: calls in a row that the platform did not answer.';
comment on column ops.rate_budgets.probe_until is 'Of `:circuit` rows: somebody tries out the platform until then.';
"""

# docs/adr/0008-exact-windows.md derives the schedule. Rows are locked in the order of `keys`, and whatever is refused
# has written nothing. One statement of the client: a process that freezes never holds a lock.
FUNCTION = """
create function ops.reserve_places(
    keys text[],
    allowances integer[],
    spans double precision[],
    pardons text[],
    gates text[],
    patience double precision,
    out wait_seconds double precision,
    out asked_at timestamptz,
    out refused_by text,
    out allowed_at timestamptz,
    out why text,
    out is_troubled boolean
)
language plpgsql as $$
declare
    budget ops.rate_budgets;
    own timestamptz[] := '{}';
    earliest timestamptz;
    together timestamptz := '-infinity';
    block_size bigint;
    blocks bigint;
    span interval;
    pace double precision;
    left_calls integer;
    taken bigint;
    slot bigint;
begin
    is_troubled := false;
    for budget in select * from ops.rate_budgets as gate where gate.budget = any (gates) loop
        is_troubled := is_troubled or budget.failures > 0;
        if greatest(budget.blocked_until, budget.probe_until) > clock_timestamp() then
            refused_by := budget.budget;
            allowed_at := greatest(budget.blocked_until, budget.probe_until);
            why := budget.blocked_reason;
        end if;
    end loop;
    if refused_by is not null then
        asked_at := clock_timestamp();
        wait_seconds := extract(epoch from allowed_at - asked_at);
        return;
    end if;

    for number in 1 .. cardinality(keys) loop
        select * into budget from ops.rate_budgets as known where known.budget = keys[number] for update;
        if not found then
            insert into ops.rate_budgets (budget) values (keys[number]) on conflict do nothing;
            select * into budget from ops.rate_budgets as known where known.budget = keys[number] for update;
        end if;
        asked_at := clock_timestamp();
        earliest := asked_at;
        if not keys[number] = any (pardons) then
            earliest := greatest(earliest, budget.blocked_until);
        end if;
        if allowances[number] is not null then
            block_size := ceil(allowances[number] / 200.0);
            blocks := allowances[number] / block_size;
            span := make_interval(secs => spans[number] + greatest(spans[number] * 0.015, 0.05));
            pace := extract(epoch from span) / (blocks * block_size - block_size + 1);
            if budget.calls is distinct from allowances[number] or budget.seconds is distinct from spans[number] then
                -- Another allowance than before: what may still be in its window counts as promised just now.
                select least(blocks, ceil(count(*) * coalesce(ceil(budget.calls / 200.0), 0) / block_size)) into taken
                from unnest(budget.marks) as mark
                where mark > asked_at - greatest(span, make_interval(secs => budget.seconds * 1.015 + 0.05));
                update ops.rate_budgets as known set
                    calls = allowances[number],
                    seconds = spans[number],
                    places = taken * block_size,
                    marks = case when taken > 0 then array_fill(budget.latest_at, array[taken::int]) else '{}' end,
                    opens_at = null
                where known.budget = keys[number]
                returning * into budget;
            end if;
            if budget.places % block_size = 0 then
                earliest := greatest(earliest, budget.marks[budget.places / block_size % blocks + 1] + span);
            else
                earliest := greatest(earliest, budget.opens_at);
            end if;
            -- Whoever finds others waiting comes after them, evenly.
            if budget.last_place_at > asked_at then
                earliest := greatest(earliest, budget.last_place_at + make_interval(secs => pace));
            end if;
            -- From 90 of 100 used on: what is left is spread over the window, or the pace falls with what is left.
            if budget.window_used >= 0.9 * budget.window_limit
                and (budget.window_resets_at is null or budget.window_resets_at > asked_at)
                and not (budget.window_used >= budget.window_limit and keys[number] = any (pardons)) then
                left_calls := greatest(budget.window_limit - budget.window_used, 0);
                pace := case
                    when budget.window_resets_at is null
                        then pace * budget.window_limit / greatest(left_calls, 1)
                    else extract(epoch from budget.window_resets_at - asked_at) / (left_calls + 1)
                end;
                earliest := greatest(earliest, budget.last_place_at + make_interval(secs => pace));
            end if;
        end if;
        own := own || earliest;
        if earliest > together then
            together := earliest;
            refused_by := keys[number];
            allowed_at := greatest(earliest, budget.blocked_until);
            why := case when budget.blocked_until > asked_at then budget.blocked_reason end;
        end if;
    end loop;

    wait_seconds := greatest(extract(epoch from together - asked_at), 0);
    if wait_seconds > patience then
        return;
    end if;
    if is_troubled then
        -- A circuit whose pause is over lets one call through, and the others when that one has an answer.
        for budget in select * from ops.rate_budgets as gate where gate.budget = any (gates) for update loop
            if budget.failures > 0 and budget.blocked_until is not null then
                if budget.probe_until > clock_timestamp() then
                    refused_by := budget.budget;
                    allowed_at := budget.probe_until;
                    wait_seconds := extract(epoch from budget.probe_until - clock_timestamp());
                    why := budget.blocked_reason;
                    return;
                end if;
                update ops.rate_budgets as gate set probe_until = clock_timestamp() + interval '5 minutes'
                where gate.budget = budget.budget;
            end if;
        end loop;
    end if;
    refused_by := null;

    for number in 1 .. cardinality(keys) loop
        if allowances[number] is null then
            update ops.rate_budgets as known set
                places = places + 1,
                window_used = case when window_resets_at > asked_at then window_used else 0 end + 1,
                window_resets_at = date_trunc('day', asked_at at time zone 'UTC') at time zone 'UTC' + interval '1 day',
                updated_at = asked_at
            where known.budget = keys[number];
        else
            block_size := ceil(allowances[number] / 200.0);
            blocks := allowances[number] / block_size;
            span := make_interval(secs => spans[number] + greatest(spans[number] * 0.015, 0.05));
            update ops.rate_budgets as known set
                places = places + 1,
                opens_at = case
                    when places % block_size = 0 then marks[places / block_size % blocks + 1] + span
                    else opens_at
                end,
                marks[places / block_size % blocks + 1] = greatest(latest_at, together),
                last_place_at = greatest(last_place_at, own[number]),
                latest_at = greatest(latest_at, together),
                updated_at = asked_at
            where known.budget = keys[number];
        end if;
    end loop;
end
$$;
comment on function ops.reserve_places is
    'Promises a place in every budget at one instant, or says who refuses, until when and why, having written nothing.';
"""


def upgrade() -> None:
    """Add the columns and the function."""
    for statement in (COLUMNS, FUNCTION):
        # The body holds colons and percent signs, which are no parameters.
        op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})
