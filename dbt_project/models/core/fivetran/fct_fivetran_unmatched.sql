{{ config(enabled=reads_fivetran(), incremental_strategy='sync', unique_key='row_key') }}

with final as (
    select * from {{ ref('int_fivetran__unmatched') }}
)

select * from final
