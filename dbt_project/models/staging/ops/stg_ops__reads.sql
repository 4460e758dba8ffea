with source as (
    select * from {{ known_runs() }}
),

final as (
    select
        run_id,
        business_id,
        platform,
        account_id,
        split_part(stream, '__', 2) as stream,
        kind,
        state,
        started_at,
        finished_at,
        window_since,
        window_until,
        listed,
        quarantined
    from source
    where gate = 'passed'
)

select * from final
