with source as (
    select * from {{ known_runs() }}
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
        -- Rows that were deleted since, by a retention or an erasure, are as if they had never come.
        listed - purged as listed,
        stored - purged as stored,
        unchanged,
        quarantined,
        started_at,
        finished_at,
        error_class,
        error_message
    from source
)

select * from final
