{{ config(incremental_strategy='sync', unique_key='stream_key') }}

with accounts as (
    select * from {{ ref('int_fivetran__accounts' if reads_fivetran() else 'stg_ops__accounts') }}
    where is_enabled
),

streams as (
    select * from {{ ref('streams') }}
),

-- Inlined, so that each look-up below finds its run by the ledger's index.
runs as not materialized (
    select * from {{ ref('int_fivetran__syncs' if reads_fivetran() else 'stg_ops__extract_runs') }}
    -- A replay lands one answer of the past and says nothing of the present.
    where kind <> 'replay'
),

expected as (
    select
        accounts.business_id,
        accounts.platform,
        accounts.account_id,
        streams.stream,
        streams.stale_after_hours
    from accounts
    inner join streams on accounts.platform = streams.platform
    {% if reads_fivetran() %}
        -- Its connectors read fewer streams than we do.
        where streams.stream in (select runs.stream from runs)
    {% endif %}
),

final as (
    select
        {{ surrogate_key(['expected.business_id', 'expected.stream', 'expected.account_id']) }} as stream_key,
        expected.business_id,
        expected.platform,
        expected.account_id,
        expected.stream,
        cast(expected.stale_after_hours as integer) as stale_after_hours,
        success.finished_at as last_success_at,
        newest.problem as last_error
    from expected
    left join lateral (
        select runs.finished_at
        from runs
        where
            runs.business_id = expected.business_id
            and runs.platform = expected.platform
            and runs.account_id = expected.account_id
            and runs.stream = expected.stream
            and runs.state = 'complete'
            and runs.gate = 'passed'
        order by runs.started_at desc, runs.run_id
        limit 1
    ) as success on true
    left join lateral (
        select
            case
                when runs.state = 'failed' then concat_ws(': ', runs.error_class, runs.error_message)
                when runs.gate = 'quarantined' then 'the run did not pass its expectations and is quarantined'
            end as problem
        from runs
        where
            runs.business_id = expected.business_id
            and runs.platform = expected.platform
            and runs.account_id = expected.account_id
            and runs.stream = expected.stream
            and runs.state <> 'running'
        order by runs.started_at desc, runs.run_id
        limit 1
    ) as newest on true
)

select * from final
