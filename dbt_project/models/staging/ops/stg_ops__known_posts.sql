with source as (
    select * from {{ ledger('known_posts') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        record_key as post_id,
        published_at
    from source
)

select * from final
