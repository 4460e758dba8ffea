with source as (
    select * from {{ source('ops', 'extract_runs') }}
),

final as (
    select
        run_id,
        business_id,
        platform,
        account_id,
        stream,
        kind,
        state,
        gate,
        listed,
        stored,
        unchanged,
        quarantined,
        started_at,
        finished_at,
        error_class,
        error_message
    from source
)

select * from final
