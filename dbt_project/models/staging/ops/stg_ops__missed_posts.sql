with source as (
    select * from {{ ledger('known_posts') }}
),

final as (
    select
        business_id,
        platform,
        account_id,
        record_key as post_id,
        published_at,
        missed_at,
        missed_runs
    from source
    where missed_runs <> '{}'
)

select * from final
