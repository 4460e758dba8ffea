with source as (
    select * from {{ ledger('quarantine') }}
),

final as (
    select
        quarantine_id,
        run_id,
        last_run_id
    from source
    where reason = 'SetAside'
)

select * from final
