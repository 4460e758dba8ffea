with source as (
    {{ passed_rows(source('linkedin', 'linkedin__audience')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key,
        {{ key_day() }} as measured_date,
        observed_at,
        payload -> 'followerCountsBySeniority' as by_seniority,
        payload -> 'followerCountsByIndustry' as by_industry,
        payload -> 'followerCountsByFunction' as by_function,
        payload -> 'followerCountsByStaffCountRange' as by_staff_count_range,
        payload -> 'followerCountsByGeoCountry' as by_geo_country,
        payload -> 'followerCountsByGeo' as by_geo
    from source
)

select * from final
