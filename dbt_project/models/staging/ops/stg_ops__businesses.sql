with source as (
    select * from {{ ledger('businesses') }}
),

final as (
    select
        business_id,
        name as business_name,
        timezone
    from source
)

select * from final
