with source as (
    {{ passed_rows(source('instagram', 'instagram__profile')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        observed_at,
        {{ key_day() }} as observed_date,
        payload ->> 'name' as name,
        payload ->> 'username' as username,
        {{ json_number('$.followers_count') }} as followers_count
    from source
)

select * from final
