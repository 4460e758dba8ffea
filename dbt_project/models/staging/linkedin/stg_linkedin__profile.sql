with source as (
    {{ passed_rows(source('linkedin', 'linkedin__profile')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        observed_at,
        {{ key_day() }} as observed_date,
        payload ->> 'localizedName' as name,
        payload ->> 'vanityName' as vanity_name,
        {{ json_number('$.firstDegreeSize') }} as first_degree_size
    from source
)

select * from final
