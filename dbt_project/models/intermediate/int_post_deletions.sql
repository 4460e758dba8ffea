with missed as (
    select * from {{ ref('stg_ops__missed_posts') }}
),

runs as (
    select * from {{ ref('stg_ops__extract_runs') }}
),

final as (
    select
        missed.business_id,
        missed.platform,
        missed.account_id,
        missed.post_id,
        missed.missed_at as deleted_at
    from missed
    where (
        select count(*)
        from runs
        where runs.run_id = any(missed.missed_runs) and runs.gate = 'passed'
    ) > 1
)

select * from final
