with source as (
    {{ passed_rows(source('linkedin', 'linkedin__competitors')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_day() }} as observed_date,
        observed_at,
        payload ->> 'id' as competitor_id,
        payload ->> 'vanityName' as handle,
        payload ->> 'localizedName' as name,
        {{ json_number('$.firstDegreeSize') }} as followers_count
    from source
)

select * from final
