{{ config(incremental_strategy='sync', unique_key='business_id') }}

with businesses as (
    select * from {{ ref('stg_ops__businesses') }}
),

final as (
    select
        business_id,
        business_name,
        timezone,
        now() as changed_at
    from businesses
)

select * from final
