{%- set navigation = '$.insights.data[*] ? (@.name == "navigation")' %}
{%- set kinds = navigation ~ '.total_value.breakdowns[*].results[*]' %}
with source as (
    {{ passed_rows(source('instagram', 'instagram__stories')) }}
),

final as (
    select
        run_id,
        business_id,
        account_id,
        record_key as post_id,
        observed_at,
        {{ json_instant('timestamp') }} as published_at,
        {{ json_instant('timestamp') }} + interval '24 hours' as expires_at,
        payload ->> 'media_type' as media_type,
        payload ->> 'caption' as caption,
        payload ->> 'permalink' as permalink,
        {{ insight_number('views') }} as views,
        {{ insight_number('reach') }} as reach,
        {{ insight_number('replies') }} as replies,
        {{ insight_number('shares') }} as shares,
        {{ insight_number('total_interactions') }} as total_interactions,
        {{ insight_number('follows') }} as follows,
        {{ insight_number('profile_visits') }} as profile_visits,
        {{ insight_number('link_clicks') }} as link_clicks,
        {{ insight_number('navigation') }} as navigation,
        {{ json_number(kinds ~ ' ? (@.dimension_values[0] like_regex "^tap_forward$" flag "i").value') }}
            as taps_forward,
        {{ json_number(kinds ~ ' ? (@.dimension_values[0] like_regex "^tap_back$" flag "i").value') }}
            as taps_back,
        {{ json_number(kinds ~ ' ? (@.dimension_values[0] like_regex "^tap_exit$" flag "i").value') }}
            as exits,
        {{ json_number(kinds ~ ' ? (@.dimension_values[0] like_regex "^swipe_forward$" flag "i").value') }}
            as swipes_forward
    from source
)

select * from final
