with source as (
    select * from {{ source('ops', 'businesses') }}
),

final as (
    select
        business_id,
        name as business_name,
        timezone
    from source
)

select * from final
