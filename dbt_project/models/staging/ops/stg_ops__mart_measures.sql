with source as (
    select * from {{ source('ops', 'mart_measures') }}
),

final as (
    select
        publication_id,
        mart_name,
        business_id,
        platform,
        number_of_rows,
        measured_at,
        is_accepted
    from source
)

select * from final
