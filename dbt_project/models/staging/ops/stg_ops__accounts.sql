with source as (
    select * from {{ ledger('accounts') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        is_enabled,
        created_at
    from source
)

select * from final
